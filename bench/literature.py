"""The publications that the methods of axes.py come from, by axis and in its order. Standard library only."""

from __future__ import annotations

from tasks.literature import PUBLICATIONS as OF_TASKS
from tasks.literature import Publication

ICLR = "International Conference on Learning Representations"
ICML = "Proceedings of the {} International Conference on Machine Learning"
NIPS = "Advances in Neural Information Processing Systems"

# fmt: off
ARCHITECTURES: dict[str, Publication] = {
    "elman1990": Publication(
        "article", ("Elman, Jeffrey L.",), "Finding structure in time", 1990, "Cognitive Science", "14", "2", "179-211",
        doi="10.1207/s15516709cog1402_1"),
    "li2018": Publication(
        "inproceedings", ("Li, Shuai", "Li, Wanqing", "Cook, Chris", "Zhu, Ce", "Gao, Yanbo"),
        "Independently recurrent neural network (IndRNN): Building a longer and deeper RNN", 2018,
        "IEEE/CVF Conference on Computer Vision and Pattern Recognition", pages="5457-5466",
        doi="10.1109/CVPR.2018.00572", arxiv="1803.04831"),
    "gers2000forget": Publication(
        "article", ("Gers, Felix A.", "Schmidhuber, Jürgen", "Cummins, Fred"),
        "Learning to forget: Continual prediction with LSTM", 2000, "Neural Computation", "12", "10", "2451-2471",
        doi="10.1162/089976600300015015"),
    "gers2000peephole": Publication(
        "inproceedings", ("Gers, Felix A.", "Schmidhuber, Jürgen"), "Recurrent nets that time and count", 2000,
        "IEEE-INNS-ENNS International Joint Conference on Neural Networks", "3", pages="189-194",
        doi="10.1109/IJCNN.2000.861302"),
    "greff2017": Publication(
        "article", ("Greff, Klaus", "Srivastava, Rupesh K.", "Koutník, Jan", "Steunebrink, Bas R.",
                    "Schmidhuber, Jürgen"),
        "LSTM: A search space odyssey", 2017, "IEEE Transactions on Neural Networks and Learning Systems",
        "28", "10", "2222-2232", doi="10.1109/TNNLS.2016.2582924", arxiv="1503.04069"),
    "sak2014": Publication(
        "inproceedings", ("Sak, Haşim", "Senior, Andrew", "Beaufays, Françoise"),
        "Long short-term memory recurrent neural network architectures for large scale acoustic modeling", 2014,
        "Interspeech", pages="338-342", doi="10.21437/Interspeech.2014-80"),
    "beck2024": Publication(
        "inproceedings", ("Beck, Maximilian", "Pöppel, Korbinian", "Spanring, Markus", "Auer, Andreas",
                          "Prudnikova, Oleksandra", "Kopp, Michael", "Klambauer, Günter", "Brandstetter, Johannes",
                          "Hochreiter, Sepp"),
        "xLSTM: Extended long short-term memory", 2024, NIPS, "37", arxiv="2405.04517"),
    "cho2014": Publication(
        "inproceedings", ("Cho, Kyunghyun", "van Merriënboer, Bart", "Gulcehre, Caglar", "Bahdanau, Dzmitry",
                          "Bougares, Fethi", "Schwenk, Holger", "Bengio, Yoshua"),
        "Learning phrase representations using RNN encoder–decoder for statistical machine translation", 2014,
        "Conference on Empirical Methods in Natural Language Processing", pages="1724-1734",
        doi="10.3115/v1/D14-1179", arxiv="1406.1078"),
    "feng2024": Publication(
        "misc", ("Feng, Leo", "Tung, Frederick", "Ahmed, Mohamed Osama", "Bengio, Yoshua", "Hajimirsadeghi, Hossein"),
        "Were RNNs all we needed?", 2024, arxiv="2410.01201"),
    "graves2013": Publication(
        "inproceedings", ("Graves, Alex", "Mohamed, Abdel-rahman", "Hinton, Geoffrey"),
        "Speech recognition with deep recurrent neural networks", 2013,
        "IEEE International Conference on Acoustics, Speech and Signal Processing", pages="6645-6649",
        doi="10.1109/ICASSP.2013.6638947", arxiv="1303.5778"),
    "kim2017": Publication(
        "inproceedings", ("Kim, Jaeyoung", "El-Khamy, Mostafa", "Lee, Jungwon"),
        "Residual LSTM: Design of a deep recurrent architecture for distant speech recognition", 2017, "Interspeech",
        pages="1591-1595", arxiv="1701.03360"),
    "srivastava2015": Publication(
        "inproceedings", ("Srivastava, Rupesh Kumar", "Greff, Klaus", "Schmidhuber, Jürgen"),
        "Training very deep networks", 2015, NIPS, "28", arxiv="1507.06228"),
    "schuster1997": Publication(
        "article", ("Schuster, Mike", "Paliwal, Kuldip K."), "Bidirectional recurrent neural networks", 1997,
        "IEEE Transactions on Signal Processing", "45", "11", "2673-2681", doi="10.1109/78.650093"),
    "bahdanau2015": Publication(
        "inproceedings", ("Bahdanau, Dzmitry", "Cho, Kyunghyun", "Bengio, Yoshua"),
        "Neural machine translation by jointly learning to align and translate", 2015, ICLR, arxiv="1409.0473"),
    "luong2015": Publication(
        "inproceedings", ("Luong, Minh-Thang", "Pham, Hieu", "Manning, Christopher D."),
        "Effective approaches to attention-based neural machine translation", 2015,
        "Conference on Empirical Methods in Natural Language Processing", pages="1412-1421",
        doi="10.18653/v1/D15-1166", arxiv="1508.04025"),
    "vaswani2017": Publication(
        "inproceedings", ("Vaswani, Ashish", "Shazeer, Noam", "Parmar, Niki", "Uszkoreit, Jakob", "Jones, Llion",
                          "Gomez, Aidan N.", "Kaiser, Łukasz", "Polosukhin, Illia"),
        "Attention is all you need", 2017, NIPS, "30", arxiv="1706.03762"),
    "xiong2020": Publication(
        "inproceedings", ("Xiong, Ruibin", "Yang, Yunchang", "He, Di", "Zheng, Kai", "Zheng, Shuxin", "Xing, Chen",
                          "Zhang, Huishuai", "Lan, Yanyan", "Wang, Liwei", "Liu, Tie-Yan"),
        "On layer normalization in the Transformer architecture", 2020, ICML.format("37th"), "119",
        pages="10524-10533", arxiv="2002.04745"),
    "bai2018": Publication(
        "misc", ("Bai, Shaojie", "Kolter, J. Zico", "Koltun, Vladlen"),
        "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling", 2018,
        arxiv="1803.01271"),
}

STABILISATIONS: dict[str, Publication] = {
    "pascanu2013": Publication(
        "inproceedings", ("Pascanu, Razvan", "Mikolov, Tomas", "Bengio, Yoshua"),
        "On the difficulty of training recurrent neural networks", 2013, ICML.format("30th"), "28", "3", "1310-1318",
        arxiv="1211.5063"),
    "merity2018": Publication(
        "inproceedings", ("Merity, Stephen", "Keskar, Nitish Shirish", "Socher, Richard"),
        "Regularizing and optimizing LSTM language models", 2018, ICLR, arxiv="1708.02182"),
    "mikolov2012": Publication(
        "phdthesis", ("Mikolov, Tomáš",), "Statistical language models based on neural networks", 2012,
        "Brno University of Technology"),
    "brock2021": Publication(
        "inproceedings", ("Brock, Andrew", "De, Soham", "Smith, Samuel L.", "Simonyan, Karen"),
        "High-performance large-scale image recognition without normalization", 2021, ICML.format("38th"), "139",
        pages="1059-1071", arxiv="2102.06171"),
    "seetharaman2020": Publication(
        "inproceedings", ("Seetharaman, Prem", "Wichern, Gordon", "Pardo, Bryan", "Le Roux, Jonathan"),
        "AutoClip: Adaptive gradient clipping for source separation networks", 2020,
        "IEEE 30th International Workshop on Machine Learning for Signal Processing", arxiv="2007.14469"),
    "neelakantan2015": Publication(
        "misc", ("Neelakantan, Arvind", "Vilnis, Luke", "Le, Quoc V.", "Sutskever, Ilya", "Kaiser, Lukasz",
                 "Kurach, Karol", "Martens, James"),
        "Adding gradient noise improves learning for very deep networks", 2015, arxiv="1511.06807"),
    "laurent2015": Publication(
        "misc", ("Laurent, César", "Pereyra, Gabriel", "Brakel, Philémon", "Zhang, Ying", "Bengio, Yoshua"),
        "Batch normalized recurrent neural networks", 2015, arxiv="1510.01378"),
    "cooijmans2016": Publication(
        "misc", ("Cooijmans, Tim", "Ballas, Nicolas", "Laurent, César", "Gülçehre, Çağlar", "Courville, Aaron"),
        "Recurrent batch normalization", 2016, arxiv="1603.09025"),
    "ba2016": Publication(
        "misc", ("Ba, Jimmy Lei", "Kiros, Jamie Ryan", "Hinton, Geoffrey E."), "Layer normalization", 2016,
        arxiv="1607.06450"),
    "salimans2016": Publication(
        "inproceedings", ("Salimans, Tim", "Kingma, Diederik P."),
        "Weight normalization: A simple reparameterization to accelerate training of deep neural networks", 2016,
        NIPS, "29", arxiv="1602.07868"),
    "saxe2014": Publication(
        "inproceedings", ("Saxe, Andrew M.", "McClelland, James L.", "Ganguli, Surya"),
        "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014, ICLR,
        arxiv="1312.6120"),
    "jozefowicz2015": Publication(
        "inproceedings", ("Jozefowicz, Rafal", "Zaremba, Wojciech", "Sutskever, Ilya"),
        "An empirical exploration of recurrent network architectures", 2015, ICML.format("32nd"), "37",
        pages="2342-2350", url="https://proceedings.mlr.press/v37/jozefowicz15.html"),
    "tallec2018": Publication(
        "inproceedings", ("Tallec, Corentin", "Ollivier, Yann"), "Can recurrent neural networks warp time?", 2018,
        ICLR, arxiv="1804.11188"),
    "williams1990": Publication(
        "article", ("Williams, Ronald J.", "Peng, Jing"),
        "An efficient gradient-based algorithm for on-line training of recurrent network trajectories", 1990,
        "Neural Computation", "2", "4", "490-501", doi="10.1162/neco.1990.2.4.490"),
    "maas2013": Publication(
        "inproceedings", ("Maas, Andrew L.", "Hannun, Awni Y.", "Ng, Andrew Y."),
        "Rectifier nonlinearities improve neural network acoustic models", 2013,
        "ICML Workshop on Deep Learning for Audio, Speech and Language Processing"),
    "gulcehre2016": Publication(
        "inproceedings", ("Gulcehre, Caglar", "Moczulski, Marcin", "Denil, Misha", "Bengio, Yoshua"),
        "Noisy activation functions", 2016, ICML.format("33rd"), "48", pages="3059-3068", arxiv="1603.00391"),
    "zaremba2014": Publication(
        "misc", ("Zaremba, Wojciech", "Sutskever, Ilya", "Vinyals, Oriol"), "Recurrent neural network regularization",
        2014, arxiv="1409.2329"),
    "gal2016": Publication(
        "inproceedings", ("Gal, Yarin", "Ghahramani, Zoubin"),
        "A theoretically grounded application of dropout in recurrent neural networks", 2016, NIPS, "29",
        arxiv="1512.05287"),
    "semeniuta2016": Publication(
        "inproceedings", ("Semeniuta, Stanislau", "Severyn, Aliaksei", "Barth, Erhardt"),
        "Recurrent dropout without memory loss", 2016,
        "Proceedings of the 26th International Conference on Computational Linguistics (COLING)", pages="1757-1766",
        arxiv="1603.05118"),
    "krueger2017": Publication(
        "inproceedings", ("Krueger, David", "Maharaj, Tegan", "Kramár, János", "Pezeshki, Mohammad",
                          "Ballas, Nicolas", "Ke, Nan Rosemary", "Goyal, Anirudh", "Bengio, Yoshua",
                          "Courville, Aaron", "Pal, Chris"),
        "Zoneout: Regularizing RNNs by randomly preserving hidden activations", 2017, ICLR, arxiv="1606.01305"),
    "wan2013": Publication(
        "inproceedings", ("Wan, Li", "Zeiler, Matthew", "Zhang, Sixin", "LeCun, Yann", "Fergus, Rob"),
        "Regularization of neural networks using DropConnect", 2013, ICML.format("30th"), "28", "3", "1058-1066",
        url="https://proceedings.mlr.press/v28/wan13.html"),
    "inan2017": Publication(
        "inproceedings", ("Inan, Hakan", "Khosravi, Khashayar", "Socher, Richard"),
        "Tying word vectors and word classifiers: A loss framework for language modeling", 2017, ICLR,
        arxiv="1611.01462"),
    "press2017": Publication(
        "inproceedings", ("Press, Ofir", "Wolf, Lior"), "Using the output embedding to improve language models", 2017,
        "Conference of the European Chapter of the Association for Computational Linguistics", "2", pages="157-163",
        arxiv="1608.05859"),
    "graves2011": Publication(
        "inproceedings", ("Graves, Alex",), "Practical variational inference for neural networks", 2011, NIPS, "24",
        pages="2348-2356"),
    "merity2017": Publication(
        "misc", ("Merity, Stephen", "McCann, Bryan", "Socher, Richard"),
        "Revisiting activation regularization for language RNNs", 2017, arxiv="1708.01009"),
    "szegedy2016": Publication(
        "inproceedings", ("Szegedy, Christian", "Vanhoucke, Vincent", "Ioffe, Sergey", "Shlens, Jon",
                          "Wojna, Zbigniew"),
        "Rethinking the Inception architecture for computer vision", 2016,
        "IEEE Conference on Computer Vision and Pattern Recognition", pages="2818-2826",
        doi="10.1109/CVPR.2016.308", arxiv="1512.00567"),
    "park2019": Publication(
        "inproceedings", ("Park, Daniel S.", "Chan, William", "Zhang, Yu", "Chiu, Chung-Cheng", "Zoph, Barret",
                          "Cubuk, Ekin D.", "Le, Quoc V."),
        "SpecAugment: A simple data augmentation method for automatic speech recognition", 2019, "Interspeech",
        pages="2613-2617", doi="10.21437/Interspeech.2019-2680", arxiv="1904.08779"),
    "um2017": Publication(
        "inproceedings", ("Um, Terry T.", "Pfister, Franz M. J.", "Pichler, Daniel", "Endo, Satoshi", "Lang, Muriel",
                          "Hirche, Sandra", "Fietzek, Urban", "Kulić, Dana"),
        "Data augmentation of wearable sensor data for Parkinson’s disease monitoring using convolutional neural "
        "networks", 2017, "Proceedings of the 19th ACM International Conference on Multimodal Interaction",
        pages="216-220", doi="10.1145/3136755.3136817", arxiv="1706.00527"),
    "loshchilov2019": Publication(
        "inproceedings", ("Loshchilov, Ilya", "Hutter, Frank"), "Decoupled weight decay regularization", 2019, ICLR,
        arxiv="1711.05101"),
    "krogh1991": Publication(
        "inproceedings", ("Krogh, Anders", "Hertz, John A."), "A simple weight decay can improve generalization", 1991,
        NIPS, "4", pages="950-957",
        url="https://proceedings.neurips.cc/paper/1991/file/8eefcfdf5990e441f0fb6f3fad709e21-Paper.pdf"),
    "polyak1992": Publication(
        "article", ("Polyak, Boris T.", "Juditsky, Anatoli B."),
        "Acceleration of stochastic approximation by averaging", 1992, "SIAM Journal on Control and Optimization",
        "30", "4", "838-855", doi="10.1137/0330046"),
    "izmailov2018": Publication(
        "inproceedings", ("Izmailov, Pavel", "Podoprikhin, Dmitrii", "Garipov, Timur", "Vetrov, Dmitry",
                          "Wilson, Andrew Gordon"),
        "Averaging weights leads to wider optima and better generalization", 2018,
        "Conference on Uncertainty in Artificial Intelligence", pages="876-885", arxiv="1803.05407"),
    "prechelt1998": Publication(
        "inproceedings", ("Prechelt, Lutz",), "Early stopping – but when?", 1998,
        "Neural Networks: Tricks of the Trade", pages="55-69", doi="10.1007/3-540-49430-8_3",
        note="Lecture Notes in Computer Science 1524"),
}

OPTIMIZERS: dict[str, Publication] = {
    "robbins1951": Publication(
        "article", ("Robbins, Herbert", "Monro, Sutton"), "A stochastic approximation method", 1951,
        "Annals of Mathematical Statistics", "22", "3", "400-407", doi="10.1214/aoms/1177729586"),
    "polyak1964": Publication(
        "article", ("Polyak, Boris T.",), "Some methods of speeding up the convergence of iteration methods", 1964,
        "USSR Computational Mathematics and Mathematical Physics", "4", "5", "1-17",
        doi="10.1016/0041-5553(64)90137-5"),
    "sutskever2013": Publication(
        "inproceedings", ("Sutskever, Ilya", "Martens, James", "Dahl, George", "Hinton, Geoffrey"),
        "On the importance of initialization and momentum in deep learning", 2013, ICML.format("30th"), "28", "3",
        "1139-1147", url="https://proceedings.mlr.press/v28/sutskever13.html"),
    "nesterov1983": Publication(
        "article", ("Nesterov, Yurii E.",),
        "A method for solving the convex programming problem with convergence rate O(1/k²)", 1983,
        "Doklady Akademii Nauk SSSR", "269", "3", "543-547"),
    "duchi2011": Publication(
        "article", ("Duchi, John", "Hazan, Elad", "Singer, Yoram"),
        "Adaptive subgradient methods for online learning and stochastic optimization", 2011,
        "Journal of Machine Learning Research", "12", pages="2121-2159",
        url="https://jmlr.org/papers/v12/duchi11a.html"),
    "zeiler2012": Publication(
        "misc", ("Zeiler, Matthew D.",), "ADADELTA: An adaptive learning rate method", 2012, arxiv="1212.5701"),
    "tieleman2012": Publication(
        "misc", ("Tieleman, Tijmen", "Hinton, Geoffrey"),
        "Lecture 6.5 – RMSProp: Divide the gradient by a running average of its recent magnitude", 2012,
        "Coursera: Neural Networks for Machine Learning"),
    "kingma2015": Publication(
        "inproceedings", ("Kingma, Diederik P.", "Ba, Jimmy"), "Adam: A method for stochastic optimization", 2015,
        ICLR, arxiv="1412.6980"),
    "reddi2018": Publication(
        "inproceedings", ("Reddi, Sashank J.", "Kale, Satyen", "Kumar, Sanjiv"),
        "On the convergence of Adam and beyond", 2018, ICLR, arxiv="1904.09237"),
    "dozat2016": Publication(
        "inproceedings", ("Dozat, Timothy",), "Incorporating Nesterov momentum into Adam", 2016, f"{ICLR}, Workshop"),
    "liu2020": Publication(
        "inproceedings", ("Liu, Liyuan", "Jiang, Haoming", "He, Pengcheng", "Chen, Weizhu", "Liu, Xiaodong",
                          "Gao, Jianfeng", "Han, Jiawei"),
        "On the variance of the adaptive learning rate and beyond", 2020, ICLR, arxiv="1908.03265"),
    "shazeer2018": Publication(
        "inproceedings", ("Shazeer, Noam", "Stern, Mitchell"),
        "Adafactor: Adaptive learning rates with sublinear memory cost", 2018, ICML.format("35th"), "80",
        pages="4596-4604", arxiv="1804.04235"),
    "jordan2024": Publication(
        "misc", ("Jordan, Keller", "Jin, Yuchen", "Boza, Vlado", "You, Jiacheng", "Cesista, Franz", "Newhouse, Laker",
                 "Bernstein, Jeremy"),
        "Muon: An optimizer for hidden layers in neural networks", 2024,
        url="https://kellerjordan.github.io/posts/muon/"),
    "liu2025": Publication(
        "misc", ("Liu, Jingyuan", "Su, Jianlin", "Yao, Xingcheng", "Jiang, Zhejun", "Lai, Guokun", "Du, Yulun",
                 "Qin, Yidao", "Xu, Weixin", "Lu, Enzhe", "Yan, Junjie", "Chen, Yanru", "Zheng, Huabin", "Liu, Yibo",
                 "Liu, Shaowei", "Yin, Bohong", "He, Weiran", "Zhu, Han", "Wang, Yuzhi", "Wang, Jianzhou",
                 "Dong, Mengnan", "Zhang, Zheng", "Kang, Yongsheng", "Zhang, Hao", "Xu, Xinran", "Zhang, Yutao",
                 "Wu, Yuxin", "Zhou, Xinyu", "Yang, Zhilin"),
        "Muon is scalable for LLM training", 2025, arxiv="2502.16982"),
    "chen2023": Publication(
        "inproceedings", ("Chen, Xiangning", "Liang, Chen", "Huang, Da", "Real, Esteban", "Wang, Kaiyuan",
                          "Pham, Hieu", "Dong, Xuanyi", "Luong, Thang", "Hsieh, Cho-Jui", "Lu, Yifeng", "Le, Quoc V."),
        "Symbolic discovery of optimization algorithms", 2023, NIPS, "36", arxiv="2302.06675"),
    "defazio2024": Publication(
        "inproceedings", ("Defazio, Aaron", "Yang, Xingyu Alice", "Mehta, Harsh", "Mishchenko, Konstantin",
                          "Khaled, Ahmed", "Cutkosky, Ashok"),
        "The road less scheduled", 2024, NIPS, "37", arxiv="2405.15682"),
    "mishchenko2024": Publication(
        "inproceedings", ("Mishchenko, Konstantin", "Defazio, Aaron"),
        "Prodigy: An expeditiously adaptive parameter-free learner", 2024, ICML.format("41st"), "235",
        arxiv="2306.06101"),
    "vyas2024": Publication(
        "misc", ("Vyas, Nikhil", "Morwani, Depen", "Zhao, Rosie", "Kwun, Mujin", "Shapira, Itai",
                 "Brandfonbrener, David", "Janson, Lucas", "Kakade, Sham"),
        "SOAP: Improving and stabilizing Shampoo using Adam", 2024, arxiv="2409.11321"),
    "he2016": Publication(
        "inproceedings", ("He, Kaiming", "Zhang, Xiangyu", "Ren, Shaoqing", "Sun, Jian"),
        "Deep residual learning for image recognition", 2016,
        "IEEE Conference on Computer Vision and Pattern Recognition", pages="770-778", doi="10.1109/CVPR.2016.90",
        arxiv="1512.03385"),
    "bourlard1994": Publication(
        "book", ("Bourlard, Hervé A.", "Morgan, Nelson"), "Connectionist speech recognition: A hybrid approach", 1994,
        "Kluwer Academic Publishers", doi="10.1007/978-1-4615-3210-1"),
    "loshchilov2017": Publication(
        "inproceedings", ("Loshchilov, Ilya", "Hutter, Frank"),
        "SGDR: Stochastic gradient descent with warm restarts", 2017, ICLR, arxiv="1608.03983"),
    "goyal2017": Publication(
        "misc", ("Goyal, Priya", "Dollár, Piotr", "Girshick, Ross", "Noordhuis, Pieter", "Wesolowski, Lukasz",
                 "Kyrola, Aapo", "Tulloch, Andrew", "Jia, Yangqing", "He, Kaiming"),
        "Accurate, large minibatch SGD: Training ImageNet in 1 hour", 2017, arxiv="1706.02677"),
    "smith2018": Publication(
        "misc", ("Smith, Leslie N.", "Topin, Nicholay"),
        "Super-convergence: Very fast training of neural networks using large learning rates", 2018,
        arxiv="1708.07120"),
}
# fmt: on

SHARED = {key: OF_TASKS[key] for key in ("hochreiter1997", "le2015")}
"""Papers that a cell and a task both come from."""

PUBLICATIONS: dict[str, Publication] = SHARED | ARCHITECTURES | STABILISATIONS | OPTIMIZERS
